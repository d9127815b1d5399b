/* The completion for zsh, by a real zsh on a terminal of its own. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { installPolyns } from '../support/install.js'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const source = readFileSync(new URL('../../config/completion/_polyns', import.meta.url), 'utf8')

// Types words and a tab, and then shows the command line that came of it, or the list below it.
const TYPE = `zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
read_until() { local text chunk; repeat 200; do zpty -r -t z chunk && text+=$chunk; [[ $text == *$1* ]] && break; sleep 0.05; done; print -r -- $text }
zpty -w z 'fpath=(/usr/share/zsh/vendor-completions $fpath); autoload -U compinit; compinit -D -u; unsetopt beep; setopt no_list_beep; LISTMAX=1000; PS1=; show() { print -r -- "<<$BUFFER>>" }; zle -N show; bindkey "^X" show; print rea""dy'
read_until ready >/dev/null
for words; do
  zpty -w -n z "$words"$'\\t\\C-X'
  read_until '>>'
  zpty -w -n z $'\\C-U'
done
`

t.test('zsh', { skip }, async (t) => {
  await using box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  await box.write('/usr/share/zsh/vendor-completions/_polyns', source)
  await box.write('/root/type.zsh', TYPE)
  await box.write('/root/file.conf', '')
  const type = async (words: string) =>
    (await box.run(['zsh', '-f', '/root/type.zsh', words], { cwd: '/root' })).stdout
  t.match(await type('polyns doc'), '<<polyns doctor >>', 'a command')
  t.match(await type('polyns setup --un'), '<<polyns setup --undo >>', 'an option')
  t.match(await type('polyns explain --user ali'), '<<polyns explain --user alice >>', 'a user')
  t.match(await type('polyns explain --user=ali'), '<<polyns explain --user=alice >>')
  t.match(await type('polyns check fi'), '<<polyns check file.conf >>', 'a file')
  t.match(
    await type('polyns exec -u alice printen'),
    '<<polyns exec -u alice printenv >>',
    'a command to be run',
  )
  t.match(await type('polyns install --pam ssh'), '<<polyns install --pam sshd', 'a service')
  const all = await type('polyns ')
  for (const [name] of source.matchAll(/(?<=^ {8}')[a-z]+(?=:)/gm)) t.match(all, name, `${name} is offered`)
})
