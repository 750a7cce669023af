"""Reading what Azure sends: ids of any casing, times that mean nothing, values that are null."""


def name_of(arm_id: str) -> str:
    """The resource's own name, which an id ends with; what is a name already, and no id, stays as it is."""
    return arm_id.rstrip("/").rpartition("/")[2]


def group_id_of(arm_id: str) -> str:
    """ARM id of the resource group that a resource is in."""
    return "/".join(arm_id.split("/")[:5])


def key_of(arm_id: str) -> str:
    """A short key that is equal for equal resources, however their ids were spelt: the names in the id."""
    return "|".join(arm_id.strip("/").split("/")[1::2]).lower()


def names_by_type(arm_id: str) -> dict[str, str]:
    """The names in an ARM id by their type in lower case: {"vaults": "vault-dr", ...}, each in its own casing.

    Of a type that occurs twice the last counts: below a vault that is the vault's own.
    """
    parts = arm_id.strip("/").split("/")
    return {key.lower(): value for key, value in zip(parts[::2], parts[1::2], strict=False)}


def same_id(arm_id: str, other_id: str) -> bool:
    """Whether two ARM ids name the same resource."""
    return arm_id.strip("/").lower() == other_id.strip("/").lower()
