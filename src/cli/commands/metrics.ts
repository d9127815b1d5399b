/* polyns metrics on the command line. */
import type { Command } from 'commander'
import type { Io } from '../io.js'
import { type MetricsFlags, metrics } from '../metrics.js'

export function addMetrics(program: Command, io: Io): void {
  program
    .command('metrics')
    .description('figures in the Prometheus text format, for the textfile collector of node_exporter')
    .option('--output <FILE>', 'replace FILE in one step, instead of writing to stdout')
    .option('--budget <TIME>', 'how long to measure sizes, in all; 0: no sizes', '1s')
    .option('--config <FILE>', 'read the configuration from FILE')
    .action((options: MetricsFlags) => metrics(options, program.version() ?? '', io))
}
