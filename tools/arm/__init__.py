"""Works out what an ARM template would send to Azure, as far as our templates go: unknown functions are an error."""
