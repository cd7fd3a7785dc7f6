"""Reads C++ and CMake text well enough for the checks in this directory.

Not a parser: comments and literals are blanked (line numbers stay), braces are counted, CMake
commands are split into words. That is reliable because clang-format and the house style leave
one way to write each thing.
"""

import re

# Longest first: a raw string may hold anything, a quote inside a comment is no literal. An
# apostrophe after a letter or digit separates digits (1'000).
_LITERAL = re.compile(
    r'R"(?P<raw>[^()\\\s]{0,16})\((?:.|\n)*?\)(?P=raw)"'
    r'|//[^\n]*'
    r'|/\*(?:.|\n)*?\*/'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![\w])'(?:\\.|[^'\\\n])+'")


def _blank(match):
    text = match.group(0)
    if text.startswith('"'):
        return '""'  # An include or a call keeps its shape.
    return ' ' + '\n' * text.count('\n')


def without_comments_and_literals(text):
    """The code alone, on the same lines."""
    return _LITERAL.sub(_blank, text)


def without_preprocessor(code):
    """Drops directives and every branch of a conditional but its first, keeping line numbers."""
    kept, skipping, depth, continued = [], None, 0, False
    for line in code.split('\n'):
        directive = re.match(r'\s*#\s*(\w+)', line)
        if continued or directive:
            if directive and not continued:
                word = directive.group(1)
                if word in ('if', 'ifdef', 'ifndef'):
                    depth += 1
                elif word in ('else', 'elif') and skipping is None:
                    skipping = depth
                elif word == 'endif':
                    if skipping == depth:
                        skipping = None
                    depth -= 1
            continued = line.endswith('\\')
            kept.append('')
        else:
            kept.append('' if skipping is not None else line)
    return '\n'.join(kept)


# What may stand before a brace that opens a scope and not a function: `namespace x`, a class, …
_SCOPE = re.compile(
    r'\b(namespace|class|struct|union|enum)\b(?!.*\)\s*(const|noexcept|override)?\s*$)'
    r'|\bextern\s*""\s*$', re.S)


def _without_brackets(head):
    """Without <…>: `template <class T>` opens no class."""
    shorter = re.sub(r'<[^<>]*>', '', head)
    return shorter if shorter == head else _without_brackets(shorter)


def functions(text):
    """Yields (first line, last line) of every outermost function body with its signature."""
    code = without_preprocessor(without_comments_and_literals(text))
    line, head_line, head = 1, 1, ''
    stack = []  # One entry per open brace: the first line of the function it opens, or None.
    inside = 0  # Braces open within a function.
    for char in code:
        if char == '{':
            opens = not inside and '(' in head and not _SCOPE.search(_without_brackets(head))
            stack.append(head_line if opens else None)
            inside += bool(opens or inside)
            head = ''
        elif char == '}' and stack:
            start = stack.pop()
            inside -= bool(inside)
            if start is not None:
                yield start, line
            head = ''
        elif char == ';' and head.count('(') <= head.count(')'):
            head = ''
        elif not inside:
            if not head.strip() and not char.isspace():
                head_line = line
            head += char
        line += char == '\n'


def cmake_commands(text):
    """Yields (command, words) in order. Lists that set() and list(APPEND) made are spelled out,
    and a word that names a foreach variable appears once per item."""
    text = re.sub(r'#[^\n]*', '', text)
    variables, loops = {}, []
    for match in re.finditer(r'(\w+)\s*\(((?:[^()"]|"[^"]*"|\([^()]*\))*)\)', text):
        command = match.group(1).lower()
        words = [spelled for word in re.findall(r'"[^"]*"|[^\s"]+', match.group(2))
                 for spelled in _expanded(word.strip('"'), variables, loops)]
        if command == 'set' and words:
            variables[words[0]] = words[1:]
        elif command == 'list' and words[:1] == ['APPEND']:
            variables.setdefault(words[1], []).extend(words[2:])
        if command == 'foreach':
            kind, _, items = ' '.join(words[1:]).partition('IN ')
            items = kind.split() or items.removeprefix('ITEMS').split()
            if items[:1] == ['LISTS']:
                items = [item for name in items[1:] for item in variables.get(name, [])]
            loops.append((words[0], items))
        elif command == 'endforeach' and loops:
            loops.pop()
        else:
            yield command, words


def _expanded(word, variables, loops):
    whole = re.fullmatch(r'\$\{(\w+)\}', word)
    if whole and whole.group(1) in variables:
        return variables[whole.group(1)]
    words = [word]
    for name, items in loops:
        words = [spelled for word in words for spelled in
                 ([word.replace('${%s}' % name, item) for item in items]
                  if '${%s}' % name in word else [word])]
    return words
