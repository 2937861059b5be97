/* The policy that decides when no other can: policies/placement/placement.lua, as the compiler makes it, without its lines.
 *
 * So it is judged as every compiled policy is, and says the same. A test loads that file and wants the same program, operation by
 * operation; change the two together. Pure. */
#include "policy/program.h"

#include "base/json.h"
#include "base/mem.h"

#include <string.h>

/* clang-format off */
static const char source[] =
    "{\"version\":1,\"ops\":["
    /*  0 */ "[\"field\",\"node.healthy\"],[\"not\",0],"
    /*  2 */ "[\"field\",\"node.free_cpu\"],[\"field\",\"workload.cpu\"],[\"lt_f\",2,3],[\"not\",4],"
    /*  6 */ "[\"and\",0,4],[\"and\",0,5],"
    /*  8 */ "[\"field\",\"node.free_memory\"],[\"field\",\"workload.memory\"],[\"lt_i\",8,9],[\"and\",7,10],"
    /* 12 */ "[\"const_f\",\"0x1p+20\"],[\"i2f\",8],[\"idiv_f\",13,12],[\"i2f\",9],[\"idiv_f\",15,12],[\"f2i\",14],[\"f2i\",16],"
    /* 19 */ "[\"field\",\"node.cpu\"],[\"const_i\",\"0\"],[\"const_f\",\"0x0p+0\"],[\"lt_f\",21,19],[\"div_f\",2,19],"
    /* 24 */ "[\"select_f\",22,23,21],"
    /* 25 */ "[\"field\",\"node.memory\"],[\"lt_i\",20,25],[\"i2f\",25],[\"div_f\",13,27],[\"select_f\",26,28,21],"
    /* 30 */ "[\"const_f\",\"0x1.f4p+8\"],[\"mul_f\",30,24],[\"mul_f\",30,29],[\"add_f\",31,32],"
    /* 34 */ "[\"const_i\",\"1000\"],[\"field\",\"node.workload_instances\"],[\"mul_i\",34,35],[\"i2f\",36],"
    /* 38 */ "[\"sub_f\",33,37],[\"neg_f\",37]],"
    "\"traps\":[],\"rules\":["
    "{\"when\":1,\"line\":0,\"text\":\"node.healthy\",\"reason\":[\"is not healthy\"]},"
    "{\"when\":6,\"line\":0,\"text\":\"node.free_cpu >= workload.cpu\",\"have\":2,\"need\":3,\"compare\":\">=\","
    "\"reason\":[\"has \",{\"format\":\"%.2f\",\"value\":2},\" processors free, needs \",{\"format\":\"%.2f\",\"value\":3}]},"
    "{\"when\":11,\"line\":0,\"text\":\"node.free_memory >= workload.memory\",\"have\":8,\"need\":9,\"compare\":\">=\","
    "\"reason\":[\"has \",{\"format\":\"%d\",\"value\":17},\" MiB of memory free, needs \",{\"format\":\"%d\",\"value\":18},\" MiB\"]}],"
    "\"score\":38,\"terms\":["
    "{\"value\":31,\"line\":0,\"text\":\"500 * free_cpu\"},"
    "{\"value\":32,\"line\":0,\"text\":\"500 * free_memory\"},"
    "{\"value\":39,\"line\":0,\"text\":\"-(1000 * node.workload_instances)\"}]}";
/* clang-format on */

struct lat_program *lat_program_builtin(void)
{
    struct lat_program *program = NULL;
    cJSON *json = NULL;

    LAT_ASSERT(lat_json_parse(source, strlen(source), &json, NULL) == 0);
    LAT_ASSERT(lat_program_read(json, &program, NULL) == 0);
    cJSON_Delete(json);
    return program;
}
