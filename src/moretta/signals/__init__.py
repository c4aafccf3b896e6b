"""Meters of one track over time: pulse, voice, blinks, mouth-audio synchrony. Numbers in, numbers out."""
