/* `polyns pam` as a bundle of its own: what every login loads, and nothing else. */
import { pam } from './pam.js'

process.exitCode = pam(process.argv.slice(3), process.env)
