# Completion of checkit for bash. What there is to complete comes from checkit's own help.
_checkit_help() { checkit help "$@" 2>/dev/null; }

_checkit() {
    local current=${COMP_WORDS[COMP_CWORD]} path=() word help
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        -*) ;;
        *) [ "${#path[@]}" -lt 2 ] && path+=("$word") ;;
        esac
    done
    # The second word may be an operand and no command: then the first one's help counts.
    help=$(_checkit_help "${path[@]}") || help=$(_checkit_help "${path[0]}")
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -- '--[a-z][a-z-]*' <<<"$help" | sort -u)" \
            -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W \
        "$(awk '/^Commands:/ { on = 1; next } /^[^ ]/ { on = 0 } on && /^  [a-z]/ { print $1 }' \
            <<<"$help")" -- "$current")
    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _checkit checkit
