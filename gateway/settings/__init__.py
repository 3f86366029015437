"""The configuration file: its models, how it is read, what is wrong with it, and how it is shown."""
