"""`inv completion`: a script that makes the shell complete tasks, flags, environments and services."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shiptasks.tasks._task import task

if TYPE_CHECKING:
    from typing import Literal

    from invoke.context import Context

# Each asks `inv --complete -- inv <the words so far>`, which shiptasks answers (_candidates.py). COMP_WORDBREAKS splits
# at `=` in bash: the words are taken from the line itself, and what stands before the `=` is not repeated.
_BASH = """\
# inv completion --shell=bash > ~/.local/share/bash-completion/completions/inv
_inv_shiptasks() {
    local line="${COMP_LINE:0:COMP_POINT}" word candidates
    word="${line##* }"
    mapfile -t candidates < <(inv --complete -- $line${line:+$([[ $line == *' ' ]] && printf ' ""')} 2>/dev/null)
    COMPREPLY=()
    local each
    for each in "${candidates[@]}"; do
        [[ $each == "$word"* ]] || continue
        [[ $word == *=* ]] && each="${each#"${word%%=*}="}"
        COMPREPLY+=("$each")
    done
}
complete -o default -o nospace -F _inv_shiptasks inv invoke
"""
_ZSH = """\
#compdef inv invoke
# inv completion --shell=zsh > "${fpath[1]}/_inv"
_inv_shiptasks() {
    local -a candidates
    candidates=("${(@f)$(inv --complete -- ${words[1,CURRENT]} 2>/dev/null)}")
    compadd -S '' -- $candidates
}
compdef _inv_shiptasks inv invoke
"""
_FISH = """\
# inv completion --shell=fish > ~/.config/fish/completions/inv.fish
function __inv_shiptasks
    inv --complete -- (commandline --tokenize --cut-at-cursor) (commandline --current-token) 2>/dev/null
end
complete --command inv --no-files --arguments '(__inv_shiptasks)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@task(group="Set up", choices={"shell": ("bash", "zsh", "fish")}, help={"shell": "the shell to make it for"})
def completion(c: Context, shell: Literal["bash", "zsh", "fish"] = "bash") -> None:  # noqa: ARG001 - a task has one
    """Print the completion script of a shell."""
    sys.stdout.write(SCRIPTS[shell])
