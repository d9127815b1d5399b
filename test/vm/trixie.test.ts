/* Debian 13: kernel 6.12, OpenSSH 10 with sshd-session, systemd 257, Slurm 24.11. */
import { scenario } from './scenario.js'

scenario('trixie')
