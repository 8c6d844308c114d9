variable "name" {
  description = "What the page says."
  type        = string
}

variable "port" {
  description = "Port of the nodes that leads to the site."
  type        = number
  validation {
    condition     = var.port > 1023
    error_message = "Ports below 1024 are for others."
  }
}

variable "replicas" {
  type    = number
  default = 1
}

variable "image" {
  description = "The image block of the web server."
}
