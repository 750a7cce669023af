"""What goes wrong in jobs, as Site Recovery words it, and its refusals by HTTP.

Messages of 532, 25038, 45031, 28175 and 161011 are recorded, as are the bodies of the refusals; other wordings are
near what the documentation says of the code.
"""

from typing import NamedTuple

from lab.azure.simulator.answers import ArmError, Json


class ServiceError(NamedTuple):
    """A service error: its message, causes and remedy may name the machine ({vm}) and more."""

    message: str
    causes: str
    remedy: str
    provider: tuple[int, str] = (0, "")


_LOOK = "Check the Provider error for more information."
_RETRY = "Resolve the issue and retry the operation."

SERVICE_ERRORS: dict[str, ServiceError] = {
    "532": ServiceError(
        "The operation couldn't be completed.",
        "An operation {vm} ({running}) is in progress.",
        "Either wait for the operation in progress to complete, or cancel it and then retry the operation that "
        "couldn't complete. For details see http://aka.ms/asr-err-inprogress. ",
    ),
    "539": ServiceError(
        "The requested action couldn't be performed by the '{provider}' Replication Provider.",
        _LOOK,
        _RETRY,
        (31408, "The virtual machine '{vm}' is not in a state that allows the operation."),
    ),
    "559": ServiceError(
        "The operation failed on the Provider for '{vm}'.", _LOOK, _RETRY, (31408, "The provider failed.")
    ),
    "583": ServiceError(
        "Server '{host}' isn't connected to Azure Site Recovery.",
        "The server is turned off, or the Azure Site Recovery Provider service on it isn't running.",
        "Make sure that the server is on and that the Provider service runs, and retry the operation.",
    ),
    "25037": ServiceError("The virtual machine '{vm}' isn't ready for committing failback.", _LOOK, _RETRY),
    "25038": ServiceError("The virtual machine '{vm}' isn't ready for reenabling protection.", _LOOK, _RETRY),
    "28031": ServiceError(
        "Virtual machine '{vm}' could not be created under the resource group '{group}'.",
        "Azure answered: Operation could not be completed as it results in exceeding approved Total Regional Cores "
        "quota.",
        "Request a quota increase, or choose a smaller size, and retry the operation.",
    ),
    "28061": ServiceError(
        "The virtual machine name '{vm}' is unavailable.",
        "Another virtual machine has that name.",
        "Choose another name for the virtual machine in Azure.",
    ),
    "28175": ServiceError(
        "The VM name '{vm}' was modified to '{renamed}' to avoid name conflicts.",
        "A virtual machine of that name is in the resource group.",
        "Use the new name, or remove the other virtual machine before the failover.",
    ),
    "45031": ServiceError(
        "Protection has already been enabled for the virtual machine.",
        "The virtual machine is protected.",
        "No action is required.",
    ),
    "70094": ServiceError(
        "Protection couldn't be enabled for virtual machine '{vm}'.",
        _LOOK,
        _RETRY,
        (31389, "Hyper-V failed to enable replication for virtual machine '{vm}'."),
    ),
    "15035": ServiceError(
        "A replication policy named '{vm}' exists with different settings.",
        "The policy was created before with other settings.",
        "Use another name, or the settings of the policy that exists.",
    ),
    "499": ServiceError(
        "An internal error occurred.",
        "The operation failed due to an internal error.",
        "Retry the last action. If the issue persists, contact Support.",
    ),
}

_DEFAULT = ServiceError("The operation failed with code {code}.", _LOOK, _RETRY)


def job_error(code: str, *, activity: str, error_id: str, created: str, level: str = "Error", **names: str) -> Json:
    """An item of a job's errors; `names` fill what the wording leaves open. taskId is for the job to say."""
    service_error = SERVICE_ERRORS.get(code, _DEFAULT)
    values = {"code": code, "vm": "", "running": "", "provider": "HyperVReplicaAzure", "host": "", "group": ""}
    values |= {"renamed": f"{names.get('vm', '')}-{error_id}"} | names
    number, text = service_error.provider
    return {
        "serviceErrorDetails": {
            "code": code,
            "message": service_error.message.format_map(values),
            "possibleCauses": service_error.causes.format_map(values),
            "recommendedAction": service_error.remedy,
            "activityId": activity,
        },
        "providerErrorDetails": {
            "errorCode": number,
            "errorMessage": text.format_map(values) or None,
            "errorId": error_id,
            "possibleCauses": "",
            "recommendedAction": "",
        },
        "errorLevel": level,
        "creationTime": created,
        "taskId": None,
    }


class Caller(NamedTuple):
    """Who asked, as refusals and jobs quote it: x-ms-client-request-id and x-ms-correlation-request-id."""

    client: str
    correlation: str

    @property
    def activity_id(self) -> str:
        """activityId of the job that the request starts."""
        return f"{self.client} ActivityId: {self.correlation}"


def _build_error(status: int, code: str, detail: str, message: str, hints: tuple[str, str], caller: Caller) -> ArmError:
    item = {
        "code": detail,
        "message": message,
        "possibleCauses": hints[0],
        "recommendedAction": hints[1],
        "clientRequestId": caller.client,
        "activityId": caller.correlation,
    }
    return ArmError(status, code, message, [item])


def missing_error(name: str, caller: Caller) -> ArmError:
    """404 for a name that the vault does not know."""
    hints = ("Ensure correct resource name was specified.", "Verify ARM resource name details.")
    message = f"Specified resource with name '{name}' does not exist."
    return _build_error(404, "NotFound", "ArmResourceDoesNotExist", message, hints, caller)


def direction_error(caller: Caller) -> ArmError:
    """400 InvalidFailoverDirection."""
    hints = ("Invalid parameters were specified.", "Verify the input and try again.")
    message = "Invalid failover direction was specified. Verify input and try operation again."
    return _build_error(400, "BadRequest", "InvalidFailoverDirection", message, hints, caller)


def input_error(what: str, caller: Caller) -> ArmError:
    """400 for a body that cannot be understood; the wording of the code is inferred."""
    hints = ("Invalid parameters were specified.", "Verify the input and try again.")
    return _build_error(400, "BadRequest", "InvalidParameter", what, hints, caller)


def conflict_error(what: str, caller: Caller) -> ArmError:
    """400 for something that others still use; inferred."""
    hints = ("Other objects depend on it.", "Remove them first and try again.")
    return _build_error(400, "BadRequest", "DependenciesExist", what, hints, caller)
