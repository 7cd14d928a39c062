"""Numbers of things in words."""

__all__ = ["told_count"]


def told_count(count: int, what: str) -> str:
    """A number of things, as ``1 row`` or ``1,000 rows``; what ends in s stays as it is.

    Example:
        >>> told_count(1, "text"), told_count(1000, "text"), told_count(1, "series")
        ('1 text', '1,000 texts', '1 series')
    """
    return f"{count:,} {what}{'' if count == 1 or what.endswith('s') else 's'}"
