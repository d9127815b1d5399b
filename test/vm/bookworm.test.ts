/* Debian 12: kernel 6.1, OpenSSH 9.2, systemd 252, Slurm 22.05. */
import { scenario } from './scenario.js'

scenario('bookworm')
