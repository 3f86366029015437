"""Messages to receivers outside: signed, sent until they are taken, once each."""
