# faults.pl - tries faults, one after the other, and tells what each has left. Runs in a sandbox; faults.ts reads what it says.
#   stdin    one fault a line, tabs between: ID OPERATION STRACE; STRACE are strace's options, empty for a run without a fault.
#            The first one of each operation must be without: what it leaves is what "complete" means from then on.
#   stdout   one line each: ID, then KEY=VALUE with tabs between
# Each session has an application of its own, a process that does nothing but start strace, which becomes the helper (-D: the
# tracer is a grandchild), and wait for it. It is looked at from outside, before and after. Perl because Debian always has it,
# and because it forks in a millisecond.
use strict;
use warnings;
use Fcntl qw(:flock :mode);
use IO::Handle;
use POSIX qw(:sys_wait_h :signal_h);
use Time::HiRes qw(sleep time);

my $POLYNS = '/usr/sbin/polyns';
my $RUN    = '/run/polyns';
my $LOG    = '/run/faults.log';
my $WAIT_S = 40; # more than an alarm takes that the launcher has set
my @PARENTS = qw(/tmp/inst /dev/shm/inst /var/mnt-inst /var/srv-inst);
my %WHO = (built => 'alice', joined => 'bob', close => 'alice');
my $uid_of = sub { (getpwnam $_[0])[2] };
my (%clean, %leader);

STDOUT->autoflush(1);
# Whatever is left by an application comes to us: nothing may be.
syscall((POSIX::uname())[4] eq 'aarch64' ? 167 : 157, 36, 1, 0, 0, 0) == 0 or die "PR_SET_CHILD_SUBREAPER: $!";
mkdir $_ for '/tmp/dir', '/tmp/.X11-unix';
my $host_ns = readlink '/proc/self/ns/mnt';

while (<STDIN>) {
    chomp;
    my ($id, $op, $strace) = split /\t/, $_, -1;
    unlink $LOG;
    my %r = exists $WHO{$op} ? session($op, $strace) : machine($op, $strace);
    %r = (%r, traced());
    print join("\t", $id, map { "$_=$r{$_}" } sort keys %r), "\n";
}
end_leader($_) for keys %leader;

# What strace saw: whether the call was made and failed (of a kill the status tells), and how far the application was then.
sub traced {
    my ($before, $failed) = split /\(INJECTED\)/, slurp($LOG) // '', 2;
    my $phase = !defined $before || $before !~ /PTRACE_SEIZE/ ? 'working' : $before =~ /PTRACE_DETACH.* = 0$/m ? 'done' : 'adopting';
    return (failed => defined $failed ? 1 : 0, phase => $phase);
}

sub command {
    my ($strace, @args) = @_;
    return ($POLYNS, @args) if $strace eq '';
    # strace must not be what holds the session's namespace when polyns looks who does.
    my ($out, $in) = readlink('/proc/self/ns/mnt') eq $host_ns ? ([], []) : map { ['nsenter', '-t', $_, '-m', '--'] } 1, getppid;
    return (@$out, 'strace', '-D', '-qq', '-e', 'signal=none', '-o', $LOG, split(/ /, $strace), @$in, $POLYNS, @args);
}

# --- sessions

sub session {
    my ($op, $strace) = @_;
    my $user = $WHO{$op};
    $op eq 'joined' ? lead($user) : end_leader($_) for $op eq 'joined' ? $user : keys %leader;
    tidy($user);
    my $app = application($user);
    ask($app, 'open', '') if $op eq 'close';
    my $before = look($app);
    my %told = ask($app, $op eq 'close' ? 'close' : 'open', $strace);
    my $after = $told{gone} ? undef : look($app);
    my %r = (%told, left => join(' ', left($app, $op)));
    if (defined $after) {
        my @changed = grep { $_ !~ /^(?:mounts|ns|cwd|root)$/ && $before->{$_} ne $after->{$_} } sort keys %$before;
        $r{changed} = join ' ', map { "$_:$before->{$_}->$after->{$_}" } @changed;
        $r{moved} = $after->{ns} eq $host_ns ? 0 : 1;
        $r{cwd} = $after->{cwd};
        $r{root} = $after->{root};
        $clean{$op} //= $after->{mounts};
        $r{mounts} = $after->{mounts} eq $clean{$op} ? 'complete' : $after->{mounts} eq $before->{mounts} ? 'before' : "other:$after->{mounts}";
        $r{kept} = (slurp("/proc/$app->{pid}/mountinfo") // '') =~ m{ /tmp/\.X11-unix } ? 1 : 0;
        $r{state} = $after->{state};
    }
    $r{ticket} = join ' ', grep { -e } "/tmp/krb5cc_$user", "/tmp/inst/$user/krb5cc_$user";
    $r{host} = host_mounts();
    end($app);
    # A close that did not come to its end is made good by the next clean-up.
    if ($op eq 'close') {
        $r{next} = run('reap');
        $r{finally} = join ' ', left($app, $op);
    }
    return %r;
}

# A child that waits in a pipe for what to do.
sub application {
    my ($user) = @_;
    pipe(my $in, my $say) or die;
    pipe(my $hear, my $out) or die;
    my $pid = fork // die;
    if ($pid == 0) {
        close $say; close $hear;
        chdir '/tmp/dir' or die;
        sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR2));
        $SIG{USR1} = 'IGNORE';
        $out->autoflush(1);
        print $out "ready\n";
        while (defined(my $line = readline $in)) {
            chomp $line;
            my ($type, $strace) = split /\t/, $line, -1;
            %ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', PAM_TYPE => "${type}_session", PAM_SERVICE => 'faults', PAM_USER => $user);
            my $helper = fork // die;
            if ($helper == 0) {
                open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
                exec command($strace, 'pam') or POSIX::_exit(127);
            }
            waitpid $helper, 0;
            print $out $helper, ' ', $? & 127 ? 'signal' . ($? & 127) : $? >> 8, "\n";
        }
        POSIX::_exit(0);
    }
    close $in; close $out;
    readline $hear; # it has closed what it does not use
    $say->autoflush(1);
    return { pid => $pid, say => $say, hear => $hear, user => $user };
}

# Lets it open or close its session. Then no helper and no tracer may be left. -> status `hung`: the helper has not ended in time
sub ask {
    my ($app, $type, $strace) = @_;
    my $say = $app->{say};
    print $say "$type\t$strace\n";
    my $bits = '';
    vec($bits, fileno $app->{hear}, 1) = 1;
    my $heard = select($bits, undef, undef, $WAIT_S) ? readline $app->{hear} : 'nothing';
    if (!defined $heard) { # its end of the pipe is closed
        waitpid $app->{pid}, 0;
        $app->{gone} = 1;
        return (gone => $? & 127, status => '', stray => strays());
    }
    my ($helper, $status) = $heard =~ /^(\d+) (\w+)$/ ? ($1, $2) : (0, 'hung');
    $app->{helper} = $helper;
    return (gone => 0, status => $status, stray => strays($app->{pid}));
}

sub end {
    my ($app) = @_;
    return if $app->{gone};
    close $app->{say};
    kill 'KILL', $app->{pid};
    waitpid $app->{pid}, 0;
}

# Everything of it that a helper could have changed, or left stopped.
sub look {
    my ($app) = @_;
    my $proc = "/proc/$app->{pid}";
    my %seen = (
        ns => readlink("$proc/ns/mnt") // '?', cwd => readlink("$proc/cwd") // '?', root => readlink("$proc/root") // '?',
        mounts => mounts($app->{pid}),
        fds => join(',', map { "$_:" . (readlink("$proc/fd/$_") // '?') } sort { $a <=> $b } names("$proc/fd")),
        children => slurp("$proc/task/$app->{pid}/children"),
    );
    # It may be on its way from the write that told us to the read in which it waits.
    for (1 .. 500) {
        my $status = slurp("$proc/status");
        $seen{lc $_} = $status =~ /^$_:\s*(.*)$/m ? $1 : '?' for qw(State TracerPid SigBlk SigIgn SigCgt SigPnd ShdPnd Umask Uid Gid Groups Seccomp Threads CapEff);
        last if $seen{state} =~ /^S/;
        sleep 0.002;
    }
    return \%seen;
}

# One that is in the session which others join.
sub lead {
    my ($user) = @_;
    return if $leader{$user} && kill 0, $leader{$user}{pid};
    $leader{$user} = application($user);
    my %told = ask($leader{$user}, 'open', '');
    $told{status} eq '0' or die "the leader of $user has no session";
}

sub end_leader { end(delete $leader{$_[0]}) }

# What there is besides what was there before any session: records, locks, directories. The killed helper's own names are given.
sub left {
    my ($app, $op) = @_;
    my @left;
    my %led = map { $_->{pid} => 1 } values %leader;
    for my $name (names("$RUN/sessions")) {
        my ($pid) = $name =~ /^\d+-(\d+)-\d+\.json$/;
        next if defined $pid && $led{$pid};
        push @left, defined $pid && $pid == $app->{pid} ? 'record' : $name eq ".$app->{helper}" ? 'aside' : "sessions/$name";
    }
    push @left, unfinished();
    for my $name (names("$RUN/lock")) {
        open(my $lock, '<', "$RUN/lock/$name") or next;
        push @left, "locked:$name" unless flock($lock, LOCK_EX | LOCK_NB);
    }
    return @left;
}

# Directories that are not a user's own.
sub unfinished {
    return map { my $p = $_; map { /^\.polyns-new\./ ? 'unfinished' : /^\.reaped\./ ? 'reaped' : /\.session|^[0-9a-f]{8}$/ ? 'session-directory' : () } names($p) } @PARENTS;
}

# As before the first session of this user, on a machine that is up.
sub tidy {
    my ($user) = @_;
    for my $parent (@PARENTS) {
        remove("$parent/$_") for grep { !$leader{$_} } names($parent);
    }
    my %led = map { $_->{pid} => 1 } values %leader;
    for my $name (names("$RUN/sessions")) {
        unlink "$RUN/sessions/$name" unless $name =~ /^\d+-(\d+)-/ && $led{$1};
    }
    unlink "/tmp/inst/$user/krb5cc_$user", "/tmp/krb5cc_$user"; # made anew: see fs.protected_regular
    spew("/tmp/krb5cc_$user", 'ticket');
    chown $uid_of->($user), $uid_of->($user), "/tmp/krb5cc_$user";
    chmod 0600, "/tmp/krb5cc_$user";
}

# --- the machine: setup, undo, epilog, reap

sub machine {
    my ($op, $strace) = @_;
    my %r;
    end_leader($_) for keys %leader;
    if ($op eq 'setup' || $op eq 'undo') {
        system 'mount', '--make-rprivate', '/' if !$clean{before};
        $clean{before} //= mounts('self');
        remove($RUN);
        rmdir for @PARENTS;
        run('setup') eq '0' or die 'setup' if $op eq 'undo';
        my $set = mounts('self');
        $r{status} = run($op eq 'undo' ? ('setup', '--undo') : 'setup', $strace);
        my $now = mounts('self');
        $clean{$op} //= $now;
        $r{mounts} = $now eq $clean{$op} ? 'complete' : $now eq $set ? 'unchanged' : "other:$now";
        $r{next} = $op eq 'undo' ? run('setup', '--undo') : run('setup');
        my $then = mounts('self');
        $r{nextmounts} = $then eq $clean{$op} ? 'complete' : "other:$then";
        $r{undo} = $op eq 'undo' ? 0 : run('setup', '--undo');
        my $end = mounts('self');
        $r{finally} = $end eq $clean{before} ? '' : "mounts:$end";
        $r{finally} .= " $_" for grep { /\.new$|setup\.json/ } names($RUN);
    } else {
        leave_behind($op);
        $r{status} = run($op, $strace);
        $r{left} = join ' ', behind();
        $r{next} = run($op);
        $r{next} ||= run('reap') if $op eq 'epilog'; # what it could not delete is for that
        $r{finally} = join ' ', behind();
        $r{outside} = slurp('/tmp/outside/file') // 'gone';
        $r{host} = host_mounts();
    }
    $r{stray} = strays();
    return %r;
}

# As the sessions of alice, for reap bob's too, leave it, and one of alice's whose helper could not close it.
sub leave_behind {
    my ($op) = @_;
    tidy('alice');
    mkdir $_ for $RUN, "$RUN/sessions", '/tmp/outside';
    spew('/tmp/outside/file', 'kept');
    for my $parent (@PARENTS) { mkdir $parent; chmod 0, $parent; chown 0, 0, $parent }
    for my $user ('alice', $op eq 'reap' ? 'bob' : ()) {
        for my $dir ("/tmp/inst/$user", "/dev/shm/inst/$user") {
            mkdir $dir; chmod 01777, $dir;
            mkdir "$dir/sub"; spew("$dir/sub/$_", 'x') for 1 .. 3;
            symlink '/tmp/outside', "$dir/link";
        }
    }
    my $own = '/var/srv-inst/0123abcd';
    mkdir $own; spew("$own/file", 'x');
    my ($dev, $ino) = stat $own;
    my $mount = sprintf '{"polydir":"/srv","instance":"%s","dev":"%d:%d","ino":"%d","fresh":true}', $own, $dev >> 8 & 0xfff, $dev & 0xff | $dev >> 12 & 0xfff00, $ino;
    my $uid = $uid_of->('alice');
    spew("$RUN/sessions/$uid-999999-1.json", qq({"version":1,"id":"p1","user":"alice","uid":$uid,"service":"faults","tty":null,"rhost":null,"job":null,"leader":{"pid":999999,"tid":999999,"startTime":"1"},"namespace":"x","plan":"x","joinable":false,"mounts":[$mount],"opened":"2020-01-01T00:00:00.000Z"}));
}

sub behind {
    return ((map { names($_) } @PARENTS), map { "record:$_" } names("$RUN/sessions"));
}

# Runs a command of polyns to its end. -> its status, signalN, or `hung`
sub run {
    my $strace = $_[-1] =~ /^-\w / || $_[-1] eq '' ? pop : '';
    my @args = @_;
    my $pid = fork // die;
    if ($pid == 0) {
        %ENV = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', SLURM_JOB_ID => 7, SLURM_JOB_USER => 'alice', SLURM_JOB_UID => $uid_of->('alice'));
        open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
        exec command($strace, @args) or POSIX::_exit(127);
    }
    my $until = time + $WAIT_S;
    while (waitpid($pid, WNOHANG) == 0) {
        if (time > $until) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
            strays();
            return 'hung';
        }
        sleep 0.002;
    }
    my $status = $? & 127 ? 'signal' . ($? & 127) : $? >> 8;
    strays();
    return $status;
}

# --- what both need

# Waits for everything that was started, but for these pids and the leaders. -> what is still there after half a minute
sub strays {
    my %known = map { $_ => 1 } @_, map { $_->{pid} } values %leader;
    my $until = time + $WAIT_S;
    my @left;
    while (1) {
        @left = grep { !$known{$_} } split / /, slurp("/proc/self/task/$$/children") // '';
        return '' if !@left;
        waitpid $_, WNOHANG for @left;
        last if time > $until;
        sleep 0.0005;
    }
    return join ',', map { (slurp("/proc/$_/comm") // '?') =~ s/\n//r } @left;
}

# A mount table without what differs between two equal ones, see test/support/proc.ts.
sub mounts {
    my ($pid) = @_;
    my (%group, $n);
    my $text = slurp("/proc/$pid/mountinfo") // '?';
    $text =~ s/^\d+ \d+ \d+:\d+ //mg;
    $text =~ s/^.* \/tmp\/\.X11-unix .*\n//m; # looked at apart: what keep= names may be missing
    $text =~ s/\b(shared|master|propagate_from):(\d+)/"$1:" . ($group{$2} \/\/= ++$n)/ge;
    $text =~ s{^/var/(?:mnt|srv)-inst/\S+}{OWN}mg; # a name made anew, then that of a deleted directory
    # A mount that came later than the others is as good.
    return join ';', $pid eq 'self' ? sort split /\n/, $text : split /\n/, $text;
}

sub host_mounts {
    my $now = mounts('self');
    $clean{host} //= $now;
    return $now eq $clean{host} ? '' : "other:$now";
}

sub names { opendir(my $dir, $_[0]) or return (); return sort grep { !/^\.\.?$/ } readdir $dir }

sub slurp { open(my $file, '<', $_[0]) or return undef; local $/; return scalar readline $file }

sub spew { open(my $file, '>', $_[0]) or die "$_[0]: $!"; print $file $_[1]; close $file }

sub remove {
    my ($path) = @_;
    return unlink $path if -l $path || !-d _;
    remove("$path/$_") for names($path);
    rmdir $path;
}
