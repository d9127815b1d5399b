/* The manual pages as mandoc reads them, which complains of what groff passes over; and as a reader sees them. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/needs.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer')

t.test('manual pages', { skip }, async (t) => {
  await using box = await Sandbox.start()
  for (const name of ['polyns.8', 'polyns-namespace.conf.5']) {
    await box.write(`/root/${name}`, readFileSync(new URL(`../../man/${name}`, import.meta.url), 'utf8'))
    t.match(
      await box.run(`mandoc -T lint -W warning /root/${name}`),
      { status: 0, stdout: '', stderr: '' },
      `${name}: no warning`,
    )
    const shown = await box.sh(`mandoc -T utf8 -O width=100 /root/${name} | sed 's/.\x08//g'`)
    t.notMatch(shown, /\\f|\*\*|\\\(/, `${name}: no markup is left`)
    t.same(
      shown.split('\n').filter((line) => line.length > 110),
      [],
      `${name}: no line is too long`,
    )
  }
  const page = await box.sh(`mandoc -T utf8 /root/polyns.8 | sed 's/.\x08//g'`)
  t.match(page, /^ {7}-u USER, --user USER\n/m, 'options stand alone, as they are typed')
  t.match(
    page,
    /^ +session required pam_exec\.so quiet seteuid \/usr\/sbin\/polyns pam --global$/m,
    'lines to copy are whole',
  )
})
