"""The clinic: the web application that radiologists use, and the worker behind it."""
