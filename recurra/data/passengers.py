"""A short series that everybody knows, for a first forecast without data of one's own."""

import numpy as np

from recurra.data.series import Collection, Roles, read_series

__all__ = ["AIR_PASSENGERS", "air_passengers"]

# fmt: off
AIR_PASSENGERS = (
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118,
    115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166,
    171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201,
    204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
    284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336,
    340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405,
    417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
)
# fmt: on
"""International airline passengers in thousands, one row a year from January 1949 to December 1960.

Source: Box & Jenkins 1970, Time Series Analysis, series G.
"""


def air_passengers() -> Collection:
    """`AIR_PASSENGERS` as a collection of one monthly series.

    Example:
        >>> air = air_passengers()
        >>> air.series[0].values.shape, str(air.step), air.roles.target
        ((144, 1), '1 month', ('passengers',))
    """
    month = np.arange("1949-01", "1961-01", dtype="datetime64[M]").astype("datetime64[us]")
    read = read_series({"month": month, "passengers": np.array(AIR_PASSENGERS)}, Roles(("passengers",), "month"))
    return read._replace(source="monthly air passengers, 1949-1960")
