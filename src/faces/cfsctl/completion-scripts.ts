/** Scripts that make a shell ask `cfsctl` for candidates, by the name of the shell. They are our own; the questions are the original's. */
export const COMPLETION_SCRIPTS: ReadonlyMap<string, string> = new Map([
  [
    'bash',
    `# bash completion for cfsctl
__cfsctl_complete() {
    # bash breaks words at = and : and puts what it completes behind the last of them
    local line=\${COMP_LINE:0:COMP_POINT} cur before= one
    local -a words
    read -r -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    cur=\${words[-1]}
    [[ $cur == *[:=]* ]] && before=\${cur%"\${cur##*[:=]}"}
    COMPREPLY=()
    while IFS= read -r one; do
        [[ -n $one ]] && COMPREPLY+=("\${one#"$before"}")
    done < <(COMPLETE=bash _CLAP_COMPLETE_INDEX=$((\${#words[@]} - 1)) cfsctl -- "\${words[@]}" 2>/dev/null; echo)
    [[ \${COMPREPLY[0]-} == */ || \${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    return 0
}
complete -o nosort -F __cfsctl_complete cfsctl
`,
  ],
  [
    'zsh',
    `#compdef cfsctl
_cfsctl() {
    local -a found
    found=("\${(@f)$(COMPLETE=zsh _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) cfsctl -- "\${words[@]}" 2>/dev/null)}")
    [[ -n $found ]] && compadd -V cfsctl -a found
}
compdef _cfsctl cfsctl
`,
  ],
  [
    'fish',
    `complete --keep-order --no-files --command cfsctl --arguments "(COMPLETE=fish cfsctl -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
`,
  ],
]);
