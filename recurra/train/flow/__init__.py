"""What gradients, gates and units of a recurrent model do: the figures behind ``recurra report``."""

from recurra.train.flow.measure import gradient_flow, measure
from recurra.train.flow.spectrum import map_radii
from recurra.train.flow.values import Bend, Flow, LayerFlow, Travel, Units

__all__ = ["Bend", "Flow", "LayerFlow", "Travel", "Units", "gradient_flow", "map_radii", "measure"]
