"""What every part of Site Recovery's API shares: paths, filters, times, what a body must hold, and errors."""
