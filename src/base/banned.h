/* banned.h - calls that sensus does not make; force-included by the build. After git's banned.h. */
#ifndef SNS_BASE_BANNED_H
#define SNS_BASE_BANNED_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol atof system popen rand srand
#endif
