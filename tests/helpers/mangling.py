"""Files damaged as disks, editors and people damage them: strategies of Hypothesis."""

from hypothesis import strategies as st

# Bytes with a meaning in some format; st.binary adds arbitrary ones.
MEANINGFUL = (
    b"\0", b"\n", b"\r", b"\t", b",", b'"', b"'", b"-", b".", b"1", b"9", b"e5", b"nan", b"inf",
    b"null", b"{", b"}", b"[", b"]", b": ", b"#", b"&a ", b"*a", b"<<: ", b"\xff", b"\xef\xbb\xbf",
)  # fmt: skip


def mangle(content: bytes) -> st.SearchStrategy[bytes]:
    """`content` with a few edits: bytes replaced, removed, put in, doubled, or the rest cut off."""
    place = st.integers(0, len(content))
    new = st.one_of(st.sampled_from(MEANINGFUL), st.binary(max_size=4))
    edit = st.tuples(st.sampled_from(("replace", "remove", "insert", "double", "cut")),
                     place, st.integers(0, 40), new)  # fmt: skip
    return st.lists(edit, min_size=1, max_size=3).map(lambda edits: _edit(content, edits))


def _edit(content: bytes, edits) -> bytes:
    for kind, start, length, new in edits:
        end = start + length
        content = {
            "replace": content[:start] + new + content[start + len(new) :],
            "remove": content[:start] + content[end:],
            "insert": content[:start] + new + content[start:],
            "double": content[:end] + content[start:],
            "cut": content[:start],
        }[kind]
    return content
