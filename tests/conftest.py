"""What every test runs under: the settings that the app itself runs under."""

import os

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"
