-- Completion for shells, out of the table of commands.

local args = require "cli.args"

local completion = {}

local BASH = [[
# bash completion of lattice; load it with: source <(lattice completion bash)
_lattice() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} words
    COMPREPLY=()
    if [ "$COMP_CWORD" -ge 2 ]; then
        case "$command ${COMP_WORDS[2]}" in
%s        esac
        case "$command" in
%s        esac
    else
        words="%s"
    fi
    # shellcheck disable=SC2207 # words of a table without blanks
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -F _lattice lattice
]]

local function flag_words(command)
    local words = {}
    for _, flags in ipairs { command.flags or {}, args.globals } do
        for _, flag in ipairs(flags) do words[#words + 1] = "--" .. flag.name end
    end
    return table.concat(words, " ")
end

-- By first word: what may follow it.
local function tree(all)
    local first, groups, order = {}, {}, {}
    for _, command in ipairs(all) do
        local group, second = command.name:match("^(%S+) (%S+)$")
        local word = group or command.name
        if not first[word] then
            first[word] = true
            order[#order + 1] = word
        end
        if group then
            groups[group] = groups[group] or {}
            table.insert(groups[group], second)
        end
    end
    return order, groups
end

local function bash(all)
    local order, groups = tree(all)
    local two, one = {}, {}
    for _, command in ipairs(all) do
        if command.name:find(" ", 1, true) then
            two[#two + 1] = ('        "%s") words="%s" ;;\n'):format(command.name, flag_words(command))
        else
            one[#one + 1] = ('        %s) words="%s" ;;\n'):format(command.name, flag_words(command))
        end
    end
    for _, word in ipairs(order) do
        if groups[word] then
            one[#one + 1] = ('        %s) words="${words:-%s}" ;;\n'):format(word, table.concat(groups[word], " "))
        end
    end
    return BASH:format(table.concat(two), table.concat(one), table.concat(order, " "))
end

-- Returns the script of a shell, or nil when there is none for it.
function completion.script(shell, all)
    if shell == "bash" then return bash(all) end
    if shell == "zsh" then
        return "# zsh completion of lattice; load it with: source <(lattice completion zsh)\n"
            .. "autoload -U +X bashcompinit && bashcompinit\n" .. bash(all)
    end
end

return completion
