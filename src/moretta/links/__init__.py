"""How the processes of one deployment talk: framed messages over a Unix socket or mutual TLS, to addresses the settings name."""
