/**
 * The script for bash. It does not need the package bash-completion, can be sourced twice, does not expand candidates, completes names with
 * a colon (where bash splits words), and falls back to files.
 */
export const BASH_SCRIPT = String.raw`# bash completion for onecopy

# Words of the command line with those joined again that bash broke at = and :, when bash-completion is not loaded
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        local i word joined=() current=0
        for ((i = 0; i < \${#COMP_WORDS[@]}; i++)); do
            word=\${COMP_WORDS[i]}
            if ((i > 1)) && [[ $word == [:=]* || \${COMP_WORDS[i-1]} == *[:=] ]] && [[ -n $word ]]; then
                joined[-1]+=$word
            else
                joined+=("$word")
            fi
            ((i <= COMP_CWORD)) && current=$((\${#joined[@]} - 1))
        done
        words=("\${joined[@]}") cword=$current cur=\${joined[current]} prev=\${joined[current > 0 ? current - 1 : 0]}
    }
fi

__onecopy_complete() {
    local cur prev words cword line colon='' directive=0
    _get_comp_words_by_ref -n "=:" cur prev words cword
    # bash puts what it completes behind the last colon
    [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] && colon=\${cur%"\${cur##*:}"}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :[0-9]* ]]; then
            directive=\${line#:}
            continue
        fi
        line=\${line%%$'\t'*}
        [[ $line == "$cur"* ]] && COMPREPLY+=("\${line#"$colon"}")
    done < <(onecopy complete -- "\${words[@]:1:cword}" 2>/dev/null)
    ((directive & 2)) && compopt -o nospace
    ((directive & 4)) && compopt +o default
    return 0
}
complete -o default -F __onecopy_complete onecopy
`.replaceAll('\\${', '${');
