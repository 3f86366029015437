"""What can be wrong with the store.

StoreError
  StoreRefused          its address, its file or its version is not one that can be used; needs a person
  StoreUnavailable      it did not answer, or not in time; worth another try
"""


class StoreError(Exception):
    """Something about the store; the message says what, where and what to do, and holds no password."""


class StoreRefused(StoreError):
    """The store as it is configured cannot be used."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, is locked, or has not been set up yet."""
