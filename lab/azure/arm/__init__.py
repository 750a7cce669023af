"""Azure Resource Manager: routes, ids, paging, operations, resources, rights, the Activity Log and its events."""
