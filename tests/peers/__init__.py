"""Stand-ins for the outside world that speak its protocols: a mail server, mail providers, Twilio."""
