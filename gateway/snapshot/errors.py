"""Why a change is not published.

ChangeRefused             what was asked for cannot be; nothing was changed
  UnknownRoute
  UnknownModel
  UnknownArm              a split names what is not in `models`
  InvalidSplit            percentages that do not sum to 100, or an arm that is the route's own fallback
  InvalidConfidence       a mode without the fields it needs, or with those of another
  InvalidAudit            a share that cannot be
  InvalidShadow           the same
  NoFallback              a setting of the fallback, on a route without one
  NoAudit                 a setting of audits, on a route without any
  NoShadow                the same
  CalibrationExists       a version that was given away already
  NothingToRollBackTo
  NoExperiment            a route without one, in the file and in the store
  WrongState              an experiment that is not where that can be done
  UnknownKey
  KeyExists               a name that another key has
  KeyInFile               a key that only the file can drop
  LastAdminKey            the key without which nobody could operate the gateway
  InvalidKey              a scope that is none
  PreconditionFailed      somebody else changed the route first
  OverlayConflict         the file no longer has what an operator's change stands on
    ExperimentConflict    the file changes what an experiment was started under
"""


class ChangeRefused(Exception):
    """A change that cannot be; the message is a sentence for the operator."""


class UnknownRoute(ChangeRefused):
    """No such route."""


class UnknownModel(ChangeRefused):
    """No such model."""


class UnknownArm(ChangeRefused):
    """A split names a model that is not configured."""


class InvalidSplit(ChangeRefused):
    """A split that cannot be served."""


class InvalidConfidence(ChangeRefused):
    """A confidence mode without what it needs, or with what it has no use for."""

    def __init__(self, sentence: str, field: str = "confidence") -> None:
        """`field` is what is wrong, such as `confidence.min`."""
        super().__init__(sentence)
        self.field = field


class InvalidAudit(ChangeRefused):
    """A share of audits that cannot be."""


class InvalidShadow(ChangeRefused):
    """A share of shadows that cannot be."""


class NoFallback(ChangeRefused):
    """The route has no fallback whose settings could change."""


class NoAudit(ChangeRefused):
    """The route has no audits whose settings could change."""


class NoShadow(ChangeRefused):
    """The route has no shadow whose settings could change."""


class CalibrationExists(ChangeRefused):
    """The route has had a calibration of this version already."""


class NothingToRollBackTo(ChangeRefused):
    """The route never had another split, or all the way back has been gone already."""


class UnknownKey(ChangeRefused):
    """No such key."""


class KeyExists(ChangeRefused):
    """Another key has the name."""


class KeyInFile(ChangeRefused):
    """The key stands in the file."""


class LastAdminKey(ChangeRefused):
    """No other key has the scope admin."""


class InvalidKey(ChangeRefused):
    """A scope that is none, or of a route that there is not."""


class PreconditionFailed(ChangeRefused):
    """The route is no longer what the change was based on."""


class OverlayConflict(ChangeRefused):
    """The new file does not go together with what operators changed."""


class ExperimentConflict(OverlayConflict):
    """The new file changes what an experiment was started under."""


class NoExperiment(ChangeRefused):
    """The route has no experiment."""


class WrongState(ChangeRefused):
    """The experiment is not in a state in which that can be done."""
