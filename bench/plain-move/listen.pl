# listen.pl PORT COMMAND…: takes one connection and becomes COMMAND with it as its input and output; nodes have no netcat.
use strict;
use warnings;
use IO::Socket::INET;

my $port = shift @ARGV;
my $server = IO::Socket::INET->new(Listen => 1, LocalPort => $port, ReuseAddr => 1) or die "port $port: $!\n";
my $connection = $server->accept or die "accept: $!\n";
open(STDIN, '<&', $connection) or die "input: $!\n";
open(STDOUT, '>&', $connection) or die "output: $!\n";
exec @ARGV or die "$ARGV[0]: $!\n";
