"""Jobs: their kinds and durations, how they run and fail, what they show, and their calls over HTTP."""
