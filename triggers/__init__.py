"""HTTP, Event Grid and timer functions: parse, authorise, start or signal an orchestration, answer."""
