import torch

from recurra.data import Symbols
from recurra.tasks import sequences, writing
from recurra.tasks.options import SequencePrediction, Translate
from recurra.tasks.writing import Reach, Vocabulary


def test_what_is_written_does_not_depend_on_who_is_beside() -> None:
    symbols = Symbols.learn("character", "abc", 300)
    torch.manual_seed(0)
    options = Translate(unit="character", hidden=8, embedding=4, device="cpu")
    model, both = sequences.network(options, vocabulary := Vocabulary(symbols, symbols)), ["ab", "abc" * 5]
    with torch.no_grad():
        model.decoder.get_submodule("output").get_parameter("bias")[vocabulary.boundary] = -1e4  # it never ends by itself
    for beam in (1, 3):
        how = SequencePrediction(beam=beam)
        alone = [one.text for text in both for [one] in writing.write(model, vocabulary, [text], how, Reach(200))]
        assert [one.text for [one] in writing.write(model, vocabulary, both, how, Reach(200))] == alone
        assert [len(text) for text in alone] == [2 * len(text) + 50 for text in both]
