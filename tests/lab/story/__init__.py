"""Tests of the story and of what it takes for a proof."""
