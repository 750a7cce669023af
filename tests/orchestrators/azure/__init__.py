"""One fake of Azure and of the app's own activities, in parts that `world.FakeAzure` composes."""
