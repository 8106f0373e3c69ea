"""The whole application as a person meets it: a real Chromium, a real socket, a loopback OpenRouter behind it."""
