"""Cleaning of one text: markup, control characters, Unicode and white space, each a pure function of its own."""

from __future__ import annotations

import html
import re
import unicodedata

# Only names of HTML are taken for tags, so that "Map<String>" and "a < b" stay as they are.
_TAG_NAMES = (
    "a abbr address article aside audio b big blockquote body br button canvas caption center cite code col colgroup "
    "dd del details dfn div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header "
    "hr html i iframe img input ins kbd label legend li link main map mark meta nav noscript object ol optgroup option "
    "p param picture pre q s samp section select small source span strike strong sub summary sup svg table tbody td "
    "template textarea tfoot th thead time title tr tt u ul var video wbr"
)
_INLINE_NAMES = "a abbr b big cite code em font i ins kbd label mark q s small span strike strong sub sup tt u wbr"
_UNSEEN = re.compile(r"<(script|style|template)\b[^<>]*>.*?</\1\s*>|<!--.*?-->|<!doctype[^<>]*>", re.S | re.I)
_INLINE = re.compile(rf"</?(?:{_INLINE_NAMES.replace(' ', '|')})(?=[\s/>])[^<>]*>", re.I)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES.replace(' ', '|')})(?=[\s/>])[^<>]*>", re.I)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.S)
# Without its semicolon an "entity" is more often a name: AT&T, R&D, black&not white.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]+")
# Zero-width joiner and non-joiner stay: emoji and several scripts are spelt with them.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb]+")
_SURROGATES = re.compile("[\ud800-\udfff]+")

# Full-width Latin letters and digits, half-width kana and hangul, ligatures, squared units.
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ\uff61-\uffdc\ufb00-\ufb06\u3371-\u337a\u3380-\u33df]+")
_WIDE_POINT = re.compile("(?<=[0-9])．(?=[0-9])")
_SPACES = re.compile(r"\s+")
_NOT_PLAIN = re.compile(r"[^\x20-\x7e]|  ")


def strip_markup(text: str) -> str:
    """HTML tags, comments and the content of scripts and styles go, entities become characters; twice escaped too."""
    for _ in range(2):
        if "<" not in text and "&" not in text:
            break
        text = _CDATA.sub(r"\1", text)
        text = _TAG.sub(" ", _INLINE.sub("", _UNSEEN.sub(" ", text)))
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    return text


def strip_controls(text: str) -> str:
    """Control characters become a space; soft hyphens, zero-width spaces and direction marks vanish."""
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("", _CONTROLS.sub(" ", text))


def fold_unicode(text: str) -> str:
    """NFC, and NFKC only for other widths of letters and digits, ligatures and squared units.

    NFKC throughout would turn Chinese punctuation into ASCII, 10² into 102 and iPhone™ into iPhoneTM.
    """
    if text.isascii():
        return text
    text = _SURROGATES.sub("\ufffd", unicodedata.normalize("NFC", text))
    text = _WIDE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return _WIDE_POINT.sub(".", text)


def squeeze_whitespace(text: str) -> str:
    """Every run of white space, in any script's, becomes one space; none at the ends."""
    if not _NOT_PLAIN.search(text):
        return text.strip()
    return _SPACES.sub(" ", text).strip()
