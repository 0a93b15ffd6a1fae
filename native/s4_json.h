#ifndef S4_JSON_H
#define S4_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "s4_json_api.h"

#endif
