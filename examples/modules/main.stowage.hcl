# One module, called for two sites: what differs goes in, what others need comes out.

node "m" {
  for_each = { a = "10.0.0.11", b = "10.0.0.12", c = "10.0.0.13" }
  address  = each.value
  role     = each.key == "a" ? "manager" : "worker"
}

variable "sites" {
  type = map(object({
    port     = number
    replicas = optional(number, 1)
  }))
  default = {
    docs = { port = 8081 }
    shop = { port = 8080, replicas = 2 }
  }
}

# Made once, and passed into every instance of the module as what it is: a block.
image "web" {
  copy "./httpd" {
    to   = "/bin/httpd"
    mode = "0755"
  }
  entrypoint = ["/bin/httpd", "-f", "-p", "80", "-h", "/site"]
}

module "site" {
  source   = "./modules/site"
  for_each = var.sites
  name     = each.key
  port     = each.value.port
  replicas = each.value.replicas
  image    = image.web
}

output "versions" {
  value = { for name, site in module.site : name => site.version }
}
