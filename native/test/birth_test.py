"""podmotion-runc gives a new sandbox a way of its own beside the bridge, or leaves it as it is."""
import json, os, subprocess, sys
from support import Case, program, run

IP, GATEWAY, NEIGHBOUR = '10.244.2.7', '10.244.2.1', '10.244.2.8'
IP6, GATEWAY6, NEIGHBOUR6 = 'fd00:244:0:2::7', 'fd00:244:0:2::1', 'fd00:244:0:2::8'
# Refused is answered.
REACH = '''
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), 4)
except ConnectionRefusedError:
    pass'''
CRI = 'io.kubernetes.cri.'
SANDBOX = {CRI + 'sandbox-namespace': 'shop', CRI + 'sandbox-name': 'cart-7', CRI + 'sandbox-uid': 'u-1', CRI + 'container-type': 'sandbox'}


def ip(*words):
    return json.loads(run('ip', '-j', *words).stdout or '[]')


def inside(netns, *words, **kw):
    return run('ip', 'netns', 'exec', netns, *words, **kw)


class Birth(Case):
    @classmethod
    def setUpClass(cls):
        # /sys shows the namespace in which it was mounted, and that is the machine's.
        run('mkdir', '-p', '/run/sys')
        run('mount', '-t', 'sysfs', 'sysfs', '/run/sys')
        for folder in ('devices/virtual/net', 'class/net'):
            run('mount', '--bind', '/run/sys/' + folder, '/sys/' + folder)
            cls.addClassCleanup(run, 'umount', '/sys/' + folder)
        cls.addClassCleanup(run, 'umount', '/run/sys')

    def setUp(self):
        super().setUp()
        run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv6.conf.all.proxy_ndp=1')
        run('ip', 'link', 'add', 'cni0', 'type', 'bridge')
        self.addCleanup(run, 'ip', 'link', 'del', 'cni0')
        run('ip', 'addr', 'add', GATEWAY + '/24', 'dev', 'cni0')
        run('ip', 'addr', 'add', GATEWAY6 + '/64', 'dev', 'cni0', 'nodad')
        run('sysctl', '-qw', 'net.ipv4.neigh.cni0.proxy_delay=0', 'net.ipv6.neigh.cni0.proxy_delay=0')
        run('ip', 'link', 'set', 'cni0', 'up')
        self.add_pod('pod', IP, IP6)
        self.add_pod('other', NEIGHBOUR, NEIGHBOUR6)
        self.write(self.run_dir + '/attach-at-birth', '')
        self.env['PODMOTION_RUNC'] = '/bin/true'

    def add_pod(self, name, *addresses):
        run('ip', 'netns', 'add', name)
        self.addCleanup(run, 'ip', 'netns', 'del', name)
        run('ip', 'link', 'add', 'v' + name, 'type', 'veth', 'peer', 'eth0', 'netns', name)
        self.addCleanup(run, 'ip', 'link', 'del', 'v' + name, check=False)
        run('ip', 'link', 'set', 'v' + name, 'master', 'cni0', 'up')
        run('ip', '-n', name, 'link', 'set', 'lo', 'up')
        run('ip', '-n', name, 'link', 'set', 'eth0', 'up')
        for address in addresses:
            self.add_address(name, address)

    def add_address(self, name, address):
        six = ':' in address
        run('ip', '-n', name, 'addr', 'add', address + ('/64' if six else '/24'), 'dev', 'eth0', *(['nodad'] if six else []))
        run('ip', '-n', name, 'route', 'add', 'default', 'via', GATEWAY6 if six else GATEWAY)

    def begin(self, annotations=SANDBOX, netns='pod'):
        config = {'annotations': annotations, 'linux': {'namespaces': [{'type': 'network', 'path': '/run/netns/' + netns}]}}
        self.write(self.dir + '/b/config.json', json.dumps(config))
        done = subprocess.run([program('runc'), 'create', '--bundle', self.dir + '/b', 'c1'], env=self.env, capture_output=True, text=True, timeout=20)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '', ''))

    def addresses(self, netns='pod'):
        return sorted(f"{a['local']}/{a['prefixlen']}" for a in ip('-n', netns, 'addr', 'show', 'eth0')[0]['addr_info'] if a['scope'] == 'global')

    def ways(self):
        listed = ip('route', 'show', 'proto', '112') + ip('-6', 'route', 'show', 'proto', '112')
        return sorted((r['dst'], r['dev'], r.get('prefsrc')) for r in listed)

    def proxies(self):
        return sorted((n['dst'], n['dev'], str(n.get('protocol'))) for f in ('-4', '-6') for n in ip(f, 'neigh', 'show', 'proxy'))

    def master(self, name='vpod'):
        return ip('link', 'show', name)[0].get('master')

    def reach(self, netns, *addresses):
        for address in addresses:
            inside(netns, sys.executable, '-c', REACH, address)

    def everything(self):
        """What a birth may change, but for settings."""
        def neighbours(*where): return [n for f in ('-4', '-6') for n in ip(*where, f, 'neigh', 'show', 'nud', 'permanent')]
        return (self.addresses(), self.ways(), self.proxies(), self.master(), neighbours(), neighbours('-n', 'pod'),
                [sorted(json.dumps(r) for r in ip('-n', 'pod', f, 'route')) for f in ('-4', '-6')])

    def test_attaches_a_new_sandbox_beside_the_bridge(self):
        mac = ip('link', 'show', 'cni0')[0]['address']
        self.begin()
        self.assertEqual(self.master(), None)
        self.assertEqual(self.addresses(), [IP + '/32', IP6 + '/128'])
        self.assertEqual(self.ways(), [(IP, 'vpod', GATEWAY), (IP6, 'vpod', GATEWAY6)])
        self.assertEqual(self.proxies(), [(IP, 'cni0', '112'), (IP6, 'cni0', '112')])
        veth, pod = ip('link', 'show', 'vpod')[0], ip('-n', 'pod', 'link', 'show', 'eth0')[0]
        for family in ('-4', '-6'):
            inner = [(n['lladdr'], n['state']) for n in ip('-n', 'pod', family, 'neigh') if n['dst'] in (GATEWAY, GATEWAY6)]
            outer = [(n['lladdr'], n['state']) for n in ip(family, 'neigh', 'show', 'dev', 'vpod') if n['dst'] in (IP, IP6)]
            self.assertEqual((inner, outer), ([(veth['address'], ['PERMANENT'])], [(pod['address'], ['PERMANENT'])]))
        routes = sorted((r['dst'], r.get('gateway')) for f in ('-4', '-6') for r in ip('-n', 'pod', f, 'route') if not r['dst'].startswith('fe80'))
        self.assertEqual(routes, sorted([(GATEWAY, None), ('default', GATEWAY), (GATEWAY6, None), (IP6, None), ('default', GATEWAY6)]))
        bridge = ip('link', 'show', 'cni0')[0]
        self.assertEqual((bridge['address'], open('/sys/class/net/cni0/addr_assign_type').read().strip()), (mac, '3'), 'its ports may come and go')

    def test_everybody_reaches_it_and_it_reaches_everybody(self):
        self.begin()
        self.reach('other', IP, IP6, GATEWAY)
        self.reach('pod', NEIGHBOUR, NEIGHBOUR6, GATEWAY, GATEWAY6)
        for address in (IP, IP6):
            run(sys.executable, '-c', REACH, address)
        self.begin(netns='other')
        self.assertEqual(self.master('vother'), None)
        self.reach('other', IP, IP6)
        self.reach('pod', NEIGHBOUR, NEIGHBOUR6)

    def test_the_last_port_may_leave_the_bridge(self):
        run('ip', 'link', 'del', 'vother')
        self.begin()
        self.reach('pod', GATEWAY, GATEWAY6)
        self.add_pod('late', '10.244.2.9', 'fd00:244:0:2::9')
        self.reach('late', IP, IP6)

    def test_again_nothing_changes(self):
        self.begin()
        once = self.everything()
        self.begin()
        self.assertEqual(self.everything(), once)

    def test_nothing_is_left_when_the_veth_goes_but_what_the_agent_sweeps(self):
        self.begin()
        run('ip', 'link', 'del', 'vpod')
        self.assertEqual(self.ways(), [])
        self.add_pod('reused', IP)
        self.reach('other', IP)

    def test_one_family(self):
        self.add_pod('four', '10.244.2.9')
        run('sysctl', '-qw', 'net.ipv6.conf.all.proxy_ndp=0')
        self.begin(netns='four')
        self.assertEqual((self.addresses('four'), self.master('vfour')), (['10.244.2.9/32'], None))

    def test_other_routes_by_the_same_gateway_stay(self):
        run('ip', '-n', 'pod', 'route', 'add', '10.244.0.0/16', 'via', GATEWAY)
        self.begin()
        self.assertEqual(self.master(), None)
        self.assertIn(('10.244.0.0/16', GATEWAY), [(r['dst'], r.get('gateway')) for r in ip('-n', 'pod', 'route')])
        self.reach('pod', NEIGHBOUR)

    def test_what_the_bridge_may_do_for_localhost_ports_the_veth_may(self):
        self.begin()
        self.assertEqual(run('sysctl', '-n', 'net.ipv4.conf.vpod.route_localnet').stdout, '0\n')
        run('sysctl', '-qw', 'net.ipv4.conf.cni0.route_localnet=1')
        self.begin(netns='other')
        self.assertEqual(run('sysctl', '-n', 'net.ipv4.conf.vother.route_localnet').stdout, '1\n')

    def stays(self, *scripts, annotations=SANDBOX):
        for script in scripts:
            run('sh', '-ec', script)
        before = self.everything()
        self.begin(annotations)
        self.assertEqual((self.everything(), self.master()), (before, 'cni0'))
        self.reach('other', IP)

    def test_not_wanted(self):
        os.unlink(self.run_dir + '/attach-at-birth')
        self.stays()

    def test_received_and_not_a_sandbox(self):
        self.stays(annotations={**SANDBOX, 'podmotion.io/migration': 'm-1'})
        self.stays(annotations={**SANDBOX, CRI + 'container-type': 'container', CRI + 'container-name': 'app', 'podmotion.io/migration': ''})

    def test_a_pod_with_a_second_address_or_gateway(self):
        self.stays('ip -n pod addr add 10.244.2.77/24 dev eth0')
        self.stays('ip -n pod addr del 10.244.2.77/24 dev eth0; ip -n pod route add 10.9.0.0/16 via 10.244.2.3')

    def test_a_pod_without_a_default_route(self):
        self.stays('ip -n pod -6 route del default')

    def test_a_route_with_more_to_it(self):
        self.stays('ip -n pod route change default via ' + GATEWAY + ' mtu 1400')

    def test_a_bridge_that_keeps_ports_apart(self):
        self.stays('ip link set vpod type bridge_slave isolated on')
        run('ip', 'link', 'set', 'vpod', 'type', 'bridge_slave', 'isolated', 'off')
        if os.path.exists('/sys/class/net/cni0/bridge/vlan_filtering'):
            self.stays('ip link set cni0 type bridge vlan_filtering 1')

    def test_a_gateway_that_is_not_this_node(self):
        self.stays('ip addr del ' + GATEWAY + '/24 dev cni0; ip addr add 10.244.2.2/24 dev cni0')

    def test_a_node_that_would_not_answer_or_forward(self):
        self.stays('sysctl -qw net.ipv6.conf.all.proxy_ndp=0')
        self.stays('sysctl -qw net.ipv6.conf.all.proxy_ndp=1 net.ipv4.conf.vpod.forwarding=0')

    def test_an_address_whose_way_is_anothers(self):
        for address in (IP, IP6):
            run('ip', 'route', 'add', address, 'via', NEIGHBOUR6 if ':' in address else NEIGHBOUR, 'proto', '112')
            run('ip', 'neigh', 'replace', 'proxy', address, 'dev', 'cni0', 'protocol', '112')
            before = self.everything()
            self.begin()
            self.assertEqual(self.everything(), before)
            run('ip', 'route', 'del', address)
            run('ip', 'neigh', 'del', 'proxy', address, 'dev', 'cni0')


if __name__ == '__main__':
    sys.exit('run me by run.sh')
