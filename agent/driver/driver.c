/* What holds for every driver. Runs on the loop's thread. */
#include "agent/driver/driver.h"

struct lat_driver *lat_driver_free(struct lat_driver *driver)
{
    if (driver != NULL) {
        driver->class->free(driver);
    }
    return NULL;
}
