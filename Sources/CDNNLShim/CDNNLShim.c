#include "CDNNLShim.h"
