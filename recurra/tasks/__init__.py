"""Tasks: one page an application, from its data to its figures; a run is a folder."""

__all__: list[str] = []
