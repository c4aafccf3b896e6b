"""How the calibration of the trust score is made: footage, attacks, features, fitting, card."""
