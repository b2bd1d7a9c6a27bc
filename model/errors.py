"""What can be wrong with an input or an artefact, each with its reason for the reader."""


class FalxError(Exception):
    """An expected failure, told in one sentence that may be shown to the reader."""


class InputRefusedError(FalxError):
    """A file or series that Falx will not analyse.

    Parameters
    ----------
    name
        The file (or series) as the sender named it.
    problem
        What is wrong, with the value found, as a clause: "is an MR image, not CT".
    accepted
        What would be accepted, as a sentence: "Falx reads CT images."
    """

    def __init__(self, name: str, problem: str, accepted: str) -> None:
        self.name = name
        self.problem = problem
        self.accepted = accepted
        super().__init__(f"{name} {problem}. {accepted}")

    @property
    def reason(self) -> str:
        """The sentence without the file's name, for lists that already show the name."""
        return f"{self.problem[:1].upper()}{self.problem[1:]}. {self.accepted}"


class ArtifactError(FalxError):
    """A model artefact whose file, card or checksum is missing, damaged or inconsistent."""


class TrainingError(FalxError):
    """A training run that cannot start or go on: data, arguments or loss are not as required."""


class DeviceError(FalxError):
    """A device that a network should run on and that this machine does not have."""
