"""What has to be remembered between commands: locks."""
