"""podmotion-cni behind a bridge: what an awaited pod gets, that it is held and silent, and that others are untouched."""
import json, os, socket, subprocess, time
from support import Case, program, read, run

OLD, IP, GATEWAY, NODE = '10.244.2.7', '10.244.1.5', '10.244.2.1', '10.0.0.1'
OLD6, IP6, GATEWAY6, NODE6 = 'fd00:244:0:2::7', 'fd00:244:0:1::5', 'fd00:244:0:2::1', 'fd00:30::1'


def ip(*words):
    return json.loads(run('ip', '-j', *words).stdout or '[]')


class Cni(Case):
    def setUp(self):
        super().setUp()
        run('ip', 'link', 'add', 'cni0', 'type', 'bridge')
        self.addCleanup(run, 'ip', 'link', 'del', 'cni0')
        run('ip', 'addr', 'add', GATEWAY + '/24', 'dev', 'cni0')
        run('ip', 'addr', 'add', GATEWAY6 + '/64', 'dev', 'cni0', 'nodad')
        run('ip', 'link', 'set', 'cni0', 'up')
        run('ip', 'netns', 'add', 'pod')
        self.addCleanup(run, 'ip', 'netns', 'del', 'pod')
        run('ip', 'link', 'add', 'vethab12', 'type', 'veth', 'peer', 'eth0', 'netns', 'pod')
        self.addCleanup(run, 'ip', 'link', 'del', 'vethab12', check=False)
        run('ip', 'link', 'set', 'vethab12', 'master', 'cni0', 'up')
        for words in ('link set lo up', 'link set eth0 up', f'addr add {OLD}/24 dev eth0', f'route add default via {GATEWAY}',
                      f'addr add {OLD6}/64 dev eth0 nodad', f'route add default via {GATEWAY6}'):
            run('ip', '-n', 'pod', *words.split())
        self.d = self.run_dir + '/awaited/shop_cart-7'

    def previous(self, **more):
        return {'cniVersion': '1.0.0', 'ips': [{'interface': 2, 'address': OLD + '/24', 'gateway': GATEWAY}], 'routes': [{'dst': '0.0.0.0/0'}],
                'interfaces': [{'name': 'cni0', 'mac': 'aa:aa:aa:aa:aa:aa'}, {'name': 'vethab12'}, {'name': 'eth0', 'sandbox': '/run/netns/pod'}], 'dns': {}, **more}

    def call(self, command, config, **env):
        text = config if isinstance(config, str) else json.dumps(config)
        env = {**self.env, 'CNI_COMMAND': command, 'CNI_CONTAINERID': 'x', 'CNI_NETNS': '/run/netns/pod', 'CNI_IFNAME': 'eth0',
               'CNI_ARGS': 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-7;K8S_POD_INFRA_CONTAINER_ID=9', **env}
        return subprocess.run([program('cni')], input=text, env=env, capture_output=True, text=True, timeout=20)

    def add(self, **more):
        done = self.call('ADD', {'cniVersion': '1.0.0', 'name': 'n', 'type': 'podmotion-cni', 'prevResult': self.previous(**more)})
        self.assertEqual((done.returncode, done.stderr), (0, ''), done.stdout)
        return json.loads(done.stdout)

    def sysctl(self, name, netns=None):
        return run(*(['ip', 'netns', 'exec', netns] if netns else []), 'sysctl', '-n', name).stdout.strip()

    def fails(self, done, code, part):
        error = json.loads(done.stdout)
        self.assertEqual((done.returncode, error['code']), (1, code))
        self.assertIn(part, error['msg'])

    def test_other_commands(self):
        done = self.call('VERSION', '{"cniVersion":"0.4.0"}')
        self.assertEqual(json.loads(done.stdout)['cniVersion'], '0.4.0')
        self.assertIn('1.1.0', json.loads(done.stdout)['supportedVersions'])
        for command in ('DEL', 'CHECK', 'STATUS', 'GC'):
            done = self.call(command, {'cniVersion': '1.1.0', 'prevResult': self.previous()})
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '', ''))

    def test_passes_the_result_of_other_pods_on_as_it_came(self):
        result = '{ "ips" :\n[ {"address":"10.244.2.7/24", "gateway":"10.244.2.1"} ], "x":"\\u00e9" }'
        for args in (None, 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-8', ''):
            done = self.call('ADD', '{"prevResult": %s , "z":1}' % result, **({} if args is None else {'CNI_ARGS': args}))
            self.assertEqual((done.returncode, done.stdout), (0, result))
        self.assertEqual(ip('-n', 'pod', 'addr', 'show', 'eth0')[0]['addr_info'][0]['local'], OLD)

    def test_attaches_an_awaited_pod(self):
        self.write(self.d + '/network', f'ip={IP}\nmtu=1400\n')
        result = self.add()
        self.assertEqual(result, self.previous(ips=[{'interface': 2, 'address': IP + '/32', 'gateway': GATEWAY}]))
        link = ip('-n', 'pod', 'link', 'show', 'eth0')[0]
        veth = ip('link', 'show', 'vethab12')[0]
        self.assertEqual((link['mtu'], veth['mtu'], veth.get('master')), (1400, 1400, None))
        addresses = [a for a in ip('-n', 'pod', 'addr', 'show', 'eth0')[0]['addr_info'] if a['family'] == 'inet']
        self.assertEqual([(a['local'], a['prefixlen']) for a in addresses], [(IP, 32)])
        routes = sorted((r['dst'], r.get('gateway'), r.get('scope')) for r in ip('-n', 'pod', 'route'))
        self.assertEqual(routes, [(GATEWAY, None, 'link'), ('default', GATEWAY, None)])
        neighbour = [n for n in ip('-n', 'pod', 'neigh') if n['dst'] == GATEWAY][0]
        self.assertEqual((neighbour['lladdr'], neighbour['state']), (veth['address'], ['PERMANENT']))
        for name, value in (('all.arp_ignore', '8'), ('eth0.arp_ignore', '8'), ('all.accept_redirects', '0'), ('eth0.accept_redirects', '0')):
            self.assertEqual(self.sysctl('net.ipv4.conf.' + name, 'pod'), value)
        if os.path.exists('/proc/sys/net/mptcp/enabled'):
            self.assertEqual(self.sysctl('net.mptcp.enabled', 'pod'), '0')
        self.assertEqual(self.sysctl('net.ipv4.conf.vethab12.rp_filter'), '0')
        self.assertEqual(self.sysctl('net.ipv4.neigh.vethab12.mcast_solicit'), '200')
        self.assertGreaterEqual(int(self.sysctl('net.ipv4.neigh.vethab12.unres_qlen_bytes')), 16 << 20)
        self.assertEqual([r for r in ip('route') if IP in r['dst']], [])
        attached = dict(line.split('=', 1) for line in read(self.d + '/attached').splitlines())
        self.assertEqual(attached, {'hostveth': 'vethab12', 'hostmac': veth['address'], 'podmac': link['address'], 'ifindex': str(veth['ifindex']),
                                    'gateway': GATEWAY, 'netns': '/run/netns/pod', 'oldip': OLD})

    def test_can_be_tried_again(self):
        self.write(self.d + '/network', f'ip={IP}\n')
        self.add()
        self.add()
        self.assertEqual(len([a for a in ip('-n', 'pod', 'addr', 'show', 'eth0')[0]['addr_info'] if a['family'] == 'inet']), 1)

    def inside6(self):
        return [(a['local'], a['prefixlen']) for a in ip('-n', 'pod', 'addr', 'show', 'eth0')[0]['addr_info'] if a['family'] == 'inet6' and a['scope'] == 'global']

    def test_attaches_an_awaited_pod_with_an_address_of_each_family(self):
        self.write(self.d + '/network', f'ip={IP}\nip={IP6}\nmigration=m1\n')
        ips = [{'address': OLD6 + '/64', 'gateway': GATEWAY6}, {'address': OLD + '/24', 'gateway': GATEWAY}]
        for _ in ('first', 'again'):
            result = self.add(ips=ips)
            self.assertEqual(result['ips'], [{'address': IP6 + '/128', 'gateway': GATEWAY6}, {'address': IP + '/32', 'gateway': GATEWAY}])
            addresses = ip('-n', 'pod', 'addr', 'show', 'eth0')[0]['addr_info']
            self.assertEqual([a['local'] for a in addresses if a['family'] == 'inet'], [IP])
            six = [a for a in addresses if a['family'] == 'inet6' and a['scope'] == 'global']
            self.assertEqual([(a['local'], a['prefixlen'], a.get('nodad'), a.get('tentative')) for a in six], [(IP6, 128, True, None)])
        routes = {r['dst']: r.get('gateway') for r in ip('-n', 'pod', '-6', 'route') if not r['dst'].startswith('fe80')}
        self.assertEqual(routes, {GATEWAY6: None, IP6: None, 'default': GATEWAY6})
        veth = ip('link', 'show', 'vethab12')[0]
        neighbour = [n for n in ip('-n', 'pod', 'neigh') if n['dst'] == GATEWAY6][0]
        self.assertEqual((neighbour['lladdr'], neighbour['state']), (veth['address'], ['PERMANENT']))
        self.assertEqual([self.sysctl('net.ipv6.neigh.vethab12.' + name) for name in ('mcast_solicit', 'app_solicit')], ['0', '200'])
        self.assertEqual(self.sysctl('net.ipv6.conf.eth0.accept_redirects', 'pod'), '0')
        attached = dict(line.split('=', 1) for line in read(self.d + '/attached').splitlines())
        self.assertEqual((attached['gateway'], attached['oldip']), (GATEWAY6, OLD6))

    def test_same_ipv6_address_as_assigned(self):
        self.write(self.d + '/network', f'ip={OLD6}\n')
        for _ in ('first', 'again'):
            self.add(ips=[{'address': OLD6 + '/64', 'gateway': GATEWAY6}])
            self.assertEqual(self.inside6(), [(OLD6, 128)])

    def test_holds_ipv6_packets_and_lets_them_go_in_order(self):
        self.write(self.d + '/network', f'ip={IP6}\n')
        self.add(ips=[{'address': OLD6 + '/64', 'gateway': GATEWAY6}])
        self.hold_and_release(socket.AF_INET6, IP6, NODE6)

    def test_finds_the_ipv4_address_among_others(self):
        self.write(self.d + '/network', f'ip={IP}\n')
        ips = [{'address': 'fd00::7/64', 'gateway': 'fd00::1'}, {'gateway': GATEWAY, 'address': OLD + '/24'}]
        result = self.add(ips=ips)
        self.assertEqual(result['ips'], [ips[0], {'gateway': GATEWAY, 'address': IP + '/32'}])

    def test_same_address_as_assigned(self):
        self.write(self.d + '/network', f'ip={OLD}\n')
        self.add()
        addresses = [a for a in ip('-n', 'pod', 'addr', 'show', 'eth0')[0]['addr_info'] if a['family'] == 'inet']
        self.assertEqual([(a['local'], a['prefixlen']) for a in addresses], [(OLD, 32)])

    def test_is_silent_holds_packets_and_lets_them_go_in_order(self):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(('vethab12', 3))
        s.settimeout(.3)
        self.write(self.d + '/network', f'ip={IP}\n')
        self.add()
        frames = []
        try:
            while True:
                frames.append(s.recv(2000))
        except TimeoutError:
            pass
        pod = bytes.fromhex(ip('-n', 'pod', 'link', 'show', 'eth0')[0]['address'].replace(':', ''))
        self.assertEqual([f for f in frames if f[6:12] == pod and socket.inet_aton(IP) in f], [])
        s.close()
        self.hold_and_release(socket.AF_INET, IP, NODE)

    def hold_and_release(self, family, address, node):
        pod = ip('-n', 'pod', 'link', 'show', 'eth0')[0]['address']
        listener = subprocess.Popen(['ip', 'netns', 'exec', 'pod', 'python3', '-c', f'''
import socket
s = socket.socket({int(family)}, socket.SOCK_DGRAM); s.bind(("{address}", 99)); s.settimeout(10); print("up", flush=True)
print([int(s.recv(10)) for _ in range(200)], flush=True)'''], stdout=subprocess.PIPE, text=True)
        listener.stdout.readline()
        run('ip', 'addr', 'add', node, 'dev', 'cni0', *(['nodad'] if ':' in node else []))
        run('ip', 'route', 'add', address, 'dev', 'vethab12', 'src', node)
        u = socket.socket(family, socket.SOCK_DGRAM)
        for n in range(200):
            u.sendto(b'%d' % n, (address, 99))
        time.sleep(1.5)  # longer than one request for its neighbour takes
        self.assertIsNone(listener.poll())
        run('ip', 'neigh', 'replace', address, 'lladdr', pod, 'dev', 'vethab12', 'nud', 'permanent')
        self.assertEqual(listener.communicate(timeout=15)[0].strip(), str(list(range(200))))
        u.close()

    def test_errors(self):
        config = {'prevResult': self.previous()}
        self.fails(self.call('ADD', '{'), 106, 'not valid JSON')
        self.fails(self.call('ADD', '{}'), 106, 'no prevResult')
        self.write(self.d + '/network', 'ip=10.1.1\n')
        self.fails(self.call('ADD', config), 110, 'network')
        self.write(self.d + '/network', f'ip={IP}\n')
        self.fails(self.call('ADD', {'prevResult': self.previous(ips=[])}), 106, 'no IPv4 address')
        self.write(self.d + '/network', f'ip={IP}\nip={IP6}\n')
        self.fails(self.call('ADD', config), 106, 'no IPv6 address')
        self.write(self.d + '/network', f'ip={IP}\nip={OLD}\n')
        self.fails(self.call('ADD', config), 110, 'network')
        self.write(self.d + '/network', f'ip={IP}\n')
        self.fails(self.call('ADD', {'prevResult': self.previous(ips=[{'address': OLD + '/24'}])}), 106, 'no gateway')
        self.fails(self.call('ADD', config, CNI_NETNS='/run/netns/none'), 111, '/run/netns/none')
        self.fails(self.call('ADD', config, CNI_IFNAME='eth9'), 111, "finding the pod's interface")
        self.fails(self.call('ADD', config, CNI_IFNAME='lo'), 111, 'no veth')
        self.assertFalse(os.path.exists(self.d + '/attached'))
