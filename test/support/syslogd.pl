# syslogd.pl SOCKET FILE - appends each datagram that arrives on SOCKET to FILE as one line `facility.severity text`.
# Perl because Debian always has it and Node cannot listen for unix datagrams. A newline in a message is shown as \n.
use strict;
use warnings;
use IO::Handle;
use Socket;

my ($path, $file) = @ARGV;
my @facility = qw(kern user mail daemon auth syslog lpr news uucp cron authpriv ftp);
my @severity = qw(emerg alert crit err warning notice info debug);
open(my $out, '>>', $file) or die "$file: $!";
$out->autoflush(1);
chmod 0600, $file;
socket(my $in, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
umask 0;
bind($in, pack_sockaddr_un($path)) or die "$path: $!";
while (defined recv($in, my $text, 65536, 0)) {
    my $tag = $text =~ s/^<(\d+)>// ? ($facility[$1 >> 3] // $1 >> 3) . '.' . $severity[$1 & 7] : '?';
    $text =~ s/^\w{3} [ \d]\d \d\d:\d\d:\d\d //;    # the time, as syslog(3) puts it
    $text =~ s/[\0\n]+$//;
    $text =~ s/\n/\\n/g;
    print $out "$tag $text\n";
}
