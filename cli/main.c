/* main.c - the command table. */
#include <sensus/status.h>
#include <stdio.h>

int main(void) {
    fprintf(stderr, "usage: sensus COMMAND\n");
    return 2;
}
