"""Which script a text is written in, and which language it probably is, cheaply: by code points and by short words.

Not a classifier: what matters is that the same kind of text always lands in the same category, so that a change of the
mixture shows. Text in a script of its own is told by the script.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Final

NO_SCRIPT: Final = "none"
OTHER: Final = "other"
SCRIPTS: Final = (
    "latin", "greek", "cyrillic", "hebrew", "arabic", "devanagari", "thai", "hangul", "kana", "han", NO_SCRIPT, OTHER,
)  # fmt: skip
MAX_LETTERS: Final = 200
"""Of a text, so many letters that are not ASCII are looked at."""

# First code points, ascending (Unicode 16, chart of blocks). Between the blocks named here is what is not told apart.
_BLOCKS: Final = (
    (0x00C0, "latin"), (0x0250, OTHER), (0x0370, "greek"), (0x0400, "cyrillic"), (0x0530, OTHER), (0x0590, "hebrew"),
    (0x0600, "arabic"), (0x0700, OTHER), (0x0750, "arabic"), (0x0780, OTHER), (0x0900, "devanagari"), (0x0980, OTHER),
    (0x0E00, "thai"), (0x0E80, OTHER), (0x1100, "hangul"), (0x1200, OTHER), (0x1E00, "latin"), (0x1F00, "greek"),
    (0x2000, OTHER), (0x3040, "kana"), (0x3100, OTHER), (0x3400, "han"), (0xA000, OTHER), (0xAC00, "hangul"),
    (0xD7B0, OTHER), (0xF900, "han"), (0xFB00, OTHER), (0x20000, "han"), (0x32000, OTHER),
)  # fmt: skip
_FIRST: Final = tuple(first for first, _ in _BLOCKS)
_NAMES: Final = tuple(name for _, name in _BLOCKS)

_OF_SCRIPT: Final = {
    "greek": "el", "hebrew": "he", "arabic": "ar", "devanagari": "hi", "thai": "th", "hangul": "ko", "kana": "ja",
    "han": "zh",
}  # fmt: skip
_SHORT_WORDS: Final = {
    "en": "the and is of to in it you that for with my was not have are this be on can your what how i do please",
    "de": "der die das und ist nicht ich sie mit ein eine zu den von wie auf es für dem im mein bitte wir habe kann",
    "fr": "le la les et est pas je vous une des un pour que qui dans du avec mon ma sur ce il nous bonjour être",
    "es": "el la los las y es no una de que por con para mi un en se lo del como su está yo hola pero",
    "it": "il la gli e è non una di che per con mio sono un in si lo della come ma ho questo perché buongiorno",
    "pt": "o a os as e é não uma de que por com para meu um em se do da como mas eu está você olá",
    "nl": "de het een en is niet ik je van met voor op dat mijn te zijn wat hoe kan er maar heb deze bij",
    "pl": "i w nie na się jest to z do że mój jak mam dla proszę co ale czy od po moje tak są",
    "sv": "och är inte jag det en ett som på med för min att har den hur kan vad till men av om",
    "tr": "ve bir bu için değil ne ben var mı da de çok nasıl benim ile daha ama yok lütfen olarak",
    "ru": "и в не на я что с он это как мой по но для у меня из вы все за так то есть",
    "uk": "і в не на я що з це як мій по але для у мене ви та до чи є так від",
}
_LANGUAGES_OF: Final[dict[str, tuple[str, ...]]] = {}
for _language, _words in _SHORT_WORDS.items():
    for _word in _words.split():
        _LANGUAGES_OF[_word] = (*_LANGUAGES_OF.get(_word, ()), _language)

LANGUAGES: Final = (*_SHORT_WORDS, *sorted(set(_OF_SCRIPT.values())))
LEAST_VOTES: Final = 2
"""Short words that a text must have of a language: one alone is often a name."""


def script_of(text: str) -> str:
    """The script of most letters, one of `SCRIPTS`."""
    if text.isascii():
        return "latin" if any(map(str.isalpha, text)) else NO_SCRIPT
    found = [char for char in text if char > "\xbf" and char.isalpha()][:MAX_LETTERS]
    counts = Counter(_NAMES[bisect_right(_FIRST, ord(char)) - 1] for char in found)
    ascii_letters = sum(map(str.isalpha, text[: 4 * MAX_LETTERS])) - len(found)
    if ascii_letters > 0:
        counts["latin"] += ascii_letters
    if not counts:
        return NO_SCRIPT
    if counts["kana"] and counts["han"]:  # Japanese is written in both
        counts["kana"] += counts.pop("han")
    return max(counts, key=lambda name: (counts[name], name))


def language_of(words: Iterable[str], script: str) -> str | None:
    """The language that most short words speak for, one of `LANGUAGES`. `words` are in lower case.

    `None` where too few do: short texts have no language that could change, and must not look like one when they grow.
    """
    if script in _OF_SCRIPT:
        return _OF_SCRIPT[script]
    votes: dict[str, int] = {}
    for word in words:
        for language in _LANGUAGES_OF.get(word, ()):
            votes[language] = votes.get(language, 0) + 1
    if not votes:
        return None
    best = max(votes, key=lambda language: (votes[language], language))
    return best if votes[best] >= LEAST_VOTES else None
