#include "tests/unit/lua/host/attempt.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

int behind(unsigned walls, void (*attempt)(void))
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (lat_jail_enter(walls, NULL) != 0) {
            _exit(NOT_ENTERED);
        }
        attempt();
        _exit(ENTERED);
    }
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

int jailed(void (*attempt)(void))
{
    return behind(LAT_JAIL_WALLS, attempt);
}

int jailed_signal(void (*attempt)(void))
{
    int status = jailed(attempt);

    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void assert_hindered(unsigned walls, void (*attempt)(void))
{
    int status = behind(walls, attempt);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != HINDERED) {
        fail_msg("status %#x instead of a hindered attempt", (unsigned)status);
    }
}

void attempt_end(bool failed, int code)
{
    _exit(failed && errno == code ? HINDERED : ENTERED);
}
