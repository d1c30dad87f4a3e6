/* test_world_net.c - two processes that have nothing but a network between them.
 *
 * The test makes two network namespaces joined by a veth pair. mpirun runs in the first and starts
 * the second's daemon by what it takes for ssh, which enters the second, under a host name of its
 * own; shared memory between the processes is switched off. Needs root and iproute2. */
#include "world_run.h"

static char here[64], there[64];

static bool shell(const char *script) {
    const char *const argv[] = {"sh", "-c", script, "net", here, there, world_set.dir, NULL};
    return tool_run(argv);
}

static const char make_net[] =
    "set -e\n"
    "ip netns add $1\n"
    "ip netns add $2\n"
    "ip link add eth0 netns $1 type veth peer name eth0 netns $2\n"
    "ip -n $1 addr add 10.209.1.1/24 dev eth0\n"
    "ip -n $2 addr add 10.209.1.2/24 dev eth0\n"
    "for n in $1 $2; do ip -n $n link set lo up; ip -n $n link set eth0 up; done\n"
    /* In place of ssh HOST COMMAND... */
    "cat >$3/agent <<END\n"
    "#!/bin/sh\n"
    "shift\n"
    "exec ip netns exec $2 unshare --uts sh -c "
    "'echo sensus-there >/proc/sys/kernel/hostname; eval \"\\$*\"' sh \"\\$@\"\n"
    "END\n"
    "chmod +x $3/agent\n";
static const char try_net[] = "ip netns add $1 && ip netns exec $1 true && "
                              "ip link add eth0 netns $1 type veth peer name eth1 netns $1\n"
                              "r=$?; ip netns del $1; exit $r";
static const char remove_net[] = "ip netns del $1; ip netns del $2";
static const char count_bytes[] =
    "ip netns exec $2 cat /sys/class/net/eth0/statistics/rx_bytes >$3/net.bytes";

static int make_set(void **state) {
    world_make_set(state);
    if (shell(make_net)) return 0;
    shell(remove_net);
    return 1;
}

static int free_set(void **state) {
    shell(remove_net);
    return world_free_set(state);
}

static bool launch(const char *mode, const char *out) {
    char agent[4200];
    snprintf(agent, sizeof agent, "%s/agent", world_set.dir);
    const char *const launcher[] = {"ip",
                                    "netns",
                                    "exec",
                                    here,
                                    "mpirun",
                                    "--host",
                                    "10.209.1.1:1,10.209.1.2:1",
                                    "--mca",
                                    "plm_rsh_agent",
                                    agent,
                                    "--mca",
                                    "btl",
                                    "tcp,self",
                                    "--mca",
                                    "btl_tcp_if_include",
                                    "eth0",
                                    "--mca",
                                    "oob_tcp_if_include",
                                    "eth0",
                                    NULL};
    return world_launch_as(launcher, "2", mode, out);
}

static void a_network_changes_no_loss(void **state) {
    (void)state;
    double one[WORLD_STEPS], two[WORLD_STEPS];
    world_train("1", "plain", "one", one);
    assert_true(launch("plain", "two"));
    assert_int_equal(world_losses("two", two), WORLD_STEPS);
    world_same(two, one, 0, "over a network");
    assert_true(shell(count_bytes));
    char *bytes = world_read("net", ".bytes");
    print_message("bytes received by the second process: %s", bytes);
    assert_true(strtoull(bytes, NULL, 10) > 4000000); /* gradients and features did go this way */
    free(bytes);
}

static void a_process_that_dies_far_away_ends_the_job(void **state) {
    (void)state;
    double one[WORLD_STEPS], resumed[WORLD_STEPS];
    assert_int_equal(world_losses("one", one), WORLD_STEPS);
    assert_false(launch("kill", "killed"));
    assert_true(launch("resume", "killed"));
    assert_int_equal(world_losses("killed", resumed), WORLD_STEPS);
    world_same(resumed, one, 12, "over a network, resumed");
}

/* NULL, or why there is no network to test on. */
static const char *missing(void) {
    static const char *const ip[] = {"ip", "-V", NULL}, *const unshare[] = {"unshare", "-V", NULL};
    if (geteuid()) return "network namespaces need root";
    if (!tool_run(ip)) return "no ip (iproute2)";
    if (!tool_run(unshare)) return "no unshare (util-linux)";
    if (!shell(try_net)) return "this machine makes no network namespaces or no veth pairs";
    return NULL;
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "child")) return world_child_run(argv + 2);
    if (!world_exists()) return 77;
    snprintf(here, sizeof here, "sensus-%ld-here", (long)getpid());
    snprintf(there, sizeof there, "sensus-%ld-there", (long)getpid());
    const char *why = missing();
    if (why) {
        print_message("SKIP: %s\n", why);
        return 77;
    }
    world_open(argv[0]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_network_changes_no_loss),
                                       cmocka_unit_test(a_process_that_dies_far_away_ends_the_job)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
